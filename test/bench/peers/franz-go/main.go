// A reader of one partition with franz-go, as its users write it: every record is decoded, the key is compared.
//
//	franz-go-reader BROKERS TOPIC KEY END
//
// Reads from the beginning up to the offset END, prints {"records":R,"wanted":W} and ends.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	if len(os.Args) != 5 {
		fail("usage: franz-go-reader BROKERS TOPIC KEY END")
	}
	topic, key := os.Args[2], []byte(os.Args[3])
	end, err := strconv.ParseInt(os.Args[4], 10, 64)
	if err != nil {
		fail(err)
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(os.Args[1], ",")...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(0)}}),
	)
	if err != nil {
		fail(err)
	}
	var records, wanted, next int64
	for next < end {
		fetches := client.PollFetches(context.Background())
		if errs := fetches.Errors(); len(errs) > 0 {
			fail(errs[0].Err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			if record.Offset >= end {
				return
			}
			records++
			next = record.Offset + 1
			if bytes.Equal(record.Key, key) {
				wanted++
			}
		})
	}
	fmt.Printf("{\"records\":%d,\"wanted\":%d}\n", records, wanted)
}

func fail(why any) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}
