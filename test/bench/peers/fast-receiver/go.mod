module reprise/bench/fast-receiver

go 1.26.0
