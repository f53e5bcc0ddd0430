// The receiver of a bench: takes every POST, answers 200 after a delay, and remembers by its own monotonic clock how
// many came in each slot of 10 ms. In Go, so that it is not the limit of what is measured.
//
//	fast-receiver -listen 127.0.0.1:0 -delay-ms 0
//
// Prints its URL. GET /stats: {"requests":R,"events":E,"distinct":D}; events are told apart by the header webhook-id,
// those of an NDJSON batch (header reprise-event-count) by their lines. GET /arrivals: {"slotMs":10,"counts":[...]},
// events per slot from the first request on.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

const slot = 10 * time.Millisecond

type receiver struct {
	delay time.Duration

	mutex    sync.Mutex
	requests int
	events   int
	ids      map[[sha256.Size]byte]struct{}
	firstAt  time.Time
	counts   []int
}

func (r *receiver) arrived(events [][sha256.Size]byte) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := time.Now()
	if r.requests == 0 {
		r.firstAt = now
	}
	r.requests++
	r.events += len(events)
	for _, event := range events {
		r.ids[event] = struct{}{}
	}
	index := int(now.Sub(r.firstAt) / slot)
	for len(r.counts) <= index {
		r.counts = append(r.counts, 0)
	}
	r.counts[index] += len(events)
}

func (r *receiver) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	if request.Method == http.MethodGet {
		r.tell(response, request.URL.Path)
		return
	}
	var body io.Writer = io.Discard
	batch := bytes.Buffer{}
	if request.Header.Get("reprise-event-count") != "" {
		body = &batch
	}
	if _, err := io.Copy(body, request.Body); err != nil {
		return // Cut off: it did not arrive.
	}
	if batch.Len() == 0 {
		r.arrived([][sha256.Size]byte{sha256.Sum256([]byte(request.Header.Get("webhook-id")))})
	} else {
		events := [][sha256.Size]byte{}
		for line := range bytes.Lines(batch.Bytes()) {
			events = append(events, sha256.Sum256(line))
		}
		r.arrived(events)
	}
	if r.delay > 0 {
		time.Sleep(r.delay)
	}
}

func (r *receiver) tell(response http.ResponseWriter, path string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var answer any
	switch path {
	case "/stats":
		answer = map[string]int{"requests": r.requests, "events": r.events, "distinct": len(r.ids)}
	case "/arrivals":
		answer = map[string]any{"slotMs": slot.Milliseconds(), "counts": r.counts}
	default:
		response.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(response).Encode(answer)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "host:port")
	delayMs := flag.Int("delay-ms", 0, "until it answers")
	flag.Parse()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("http://%s/\n", listener.Addr())
	handler := &receiver{delay: time.Duration(*delayMs) * time.Millisecond, ids: map[[sha256.Size]byte]struct{}{}}
	fmt.Fprintln(os.Stderr, http.Serve(listener, handler))
	os.Exit(1)
}
