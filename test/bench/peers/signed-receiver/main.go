// The receiver of the delivery bench: takes POSTs on loopback, checks each n-th signature, answers 200.
//
//	receiver DELAY_MS CHECK_EVERY KEY_HEX
//
// Prints {"url":...}, then for each line on its standard input what came since the last one. Ends with its input.
// It reads HTTP/1.1 with a content-length and nothing else: net/http would cost more than some of the senders.
// One core is left to the sender.
package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

const answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n" +
	"connection: keep-alive\r\nkeep-alive: timeout=5\r\ncontent-length: 2\r\n\r\n{}"

var (
	requests, events, connections, checked, broken atomic.Int64
	headEnd                                        = []byte("\r\n\r\n")
)

type settings struct {
	delay      time.Duration
	checkEvery int64
	key        []byte
}

type head struct {
	length                   int
	events                   int64
	id, timestamp, signature []byte
}

func main() {
	runtime.GOMAXPROCS(1)
	if len(os.Args) != 4 {
		fail("usage: receiver DELAY_MS CHECK_EVERY KEY_HEX")
	}
	delay, err := strconv.Atoi(os.Args[1])
	must(err)
	every, err := strconv.Atoi(os.Args[2])
	must(err)
	key, err := hex.DecodeString(os.Args[3])
	must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Printf("{\"url\":\"http://%s/hook\"}\n", listener.Addr())
	go tell()
	for {
		connection, err := listener.Accept()
		must(err)
		connections.Add(1)
		go serve(connection, settings{time.Duration(delay) * time.Millisecond, int64(every), key})
	}
}

func tell() {
	for questions := bufio.NewScanner(os.Stdin); questions.Scan(); {
		told, err := json.Marshal(map[string]int64{
			"requests": requests.Swap(0), "events": events.Swap(0), "connections": connections.Swap(0),
			"checked": checked.Swap(0), "broken": broken.Swap(0),
		})
		must(err)
		fmt.Println(string(told))
	}
	os.Exit(0)
}

func serve(connection net.Conn, with settings) {
	defer connection.Close()
	buffer := make([]byte, 16*1024)
	filled := 0
	for {
		headBytes, parsed := -1, head{}
		for headBytes < 0 || filled < headBytes+parsed.length {
			if filled == len(buffer) {
				buffer = append(buffer, make([]byte, len(buffer))...)
			}
			read, err := connection.Read(buffer[filled:])
			if err != nil {
				return
			}
			filled += read
			if headBytes >= 0 {
				continue
			}
			if at := bytes.Index(buffer[:filled], headEnd); at >= 0 {
				headBytes = at + len(headEnd)
				parsed = parse(buffer[:at])
			}
		}
		end := headBytes + parsed.length
		count(parsed, buffer[headBytes:end], buffer[:headBytes], with)
		filled = copy(buffer, buffer[end:filled])
		if with.delay > 0 {
			time.Sleep(with.delay)
		}
		if _, err := connection.Write([]byte(answer)); err != nil {
			return
		}
	}
}

// A buffer that grew moved the head: what parse found is looked up again by those who need it.
func count(found head, body, raw []byte, with settings) {
	events.Add(found.events)
	if n := requests.Add(1); n%with.checkEvery != 1 {
		return
	}
	checked.Add(1)
	found = parse(raw[:len(raw)-len(headEnd)])
	mac := hmac.New(sha256.New, with.key)
	mac.Write(found.id)
	mac.Write([]byte{'.'})
	mac.Write(found.timestamp)
	mac.Write([]byte{'.'})
	mac.Write(body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	seconds, err := strconv.ParseInt(string(found.timestamp), 10, 64)
	late := time.Now().Unix() - seconds
	if string(found.signature) != want || err != nil || late < -2 || late > 5 {
		broken.Add(1)
	}
}

func parse(raw []byte) head {
	found := head{length: -1, events: 1}
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		name, value, isHeader := bytes.Cut(line, []byte(":"))
		if !isHeader {
			continue
		}
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			found.length = number(value)
		case bytes.EqualFold(name, []byte("reprise-event-count")):
			found.events = int64(number(value))
		case bytes.EqualFold(name, []byte("webhook-id")):
			found.id = value
		case bytes.EqualFold(name, []byte("webhook-timestamp")):
			found.timestamp = value
		case bytes.EqualFold(name, []byte("webhook-signature")):
			found.signature = value
		}
	}
	if found.length < 0 {
		fail("a request without content-length: " + string(raw))
	}
	return found
}

func number(text []byte) int {
	value, err := strconv.Atoi(string(text))
	must(err)
	return value
}

func must(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}
