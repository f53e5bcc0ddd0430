module reprise/bench/receiver

go 1.26.0
