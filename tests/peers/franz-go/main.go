// Produces with franz-go, by the options that all programs of `cargo xtask bench` share, and prints what it
// took as one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	bootstrap  = flag.String("bootstrap", "", "HOST:PORT,...")
	topic      = flag.String("topic", "", "")
	records    = flag.Int("records", 0, "")
	size       = flag.Int("size", 100, "bytes of a value")
	batch      = flag.Int("batch", 16384, "bytes of a batch")
	linger     = flag.Int("linger", 0, "ms")
	partitions = flag.Int("partitions", 1, "records go round over these")
	rate       = flag.Int("rate", 0, "records per second, 0 for all that go")
	memory     = flag.Int("memory", 33554432, "bytes of buffered records")
	idle       = flag.Int("idle", 0, "seconds to stay when all is done")
	started    = flag.Int64("started", 0, "Unix time in µs at which the process was started")
)

// What the promises add up to. franz-go calls them one at a time.
var (
	acked, failed int
	first         time.Time
	sent          []time.Duration
	latencies     []time.Duration
	begun         time.Time
	outstanding   sync.WaitGroup
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

func run() error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(*bootstrap, ",")...),
		kgo.DefaultProduceTopic(*topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytes(int32(*batch)),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(time.Duration(*linger)*time.Millisecond),
		kgo.MaxBufferedBytes(*memory),
		kgo.MaxBufferedRecords(10_000_000),
	)
	if err != nil {
		return err
	}
	ctx := context.Background()
	value := []byte(strings.Repeat("x", *size))
	paced := *rate > 0
	if paced {
		sent = make([]time.Duration, *records)
		latencies = make([]time.Duration, 0, *records)
		// Latencies are those of a producer that is connected.
		if err := client.ProduceSync(ctx, &kgo.Record{Value: value}).FirstErr(); err != nil {
			return err
		}
	}
	begun = time.Now()
	outstanding.Add(*records)
	for n := range *records {
		record := &kgo.Record{Value: value, Partition: int32(n % *partitions)}
		if paced {
			// In bursts of a millisecond, as a timer of a server would send.
			due := time.Duration(n*1_000_000 / *rate / 1000) * time.Millisecond
			if left := due - time.Since(begun); left > 0 {
				time.Sleep(left)
			}
			sent[n] = time.Since(begun)
			client.Produce(ctx, record, func(record *kgo.Record, err error) {
				done(record, err)
				latencies = append(latencies, time.Since(begun)-sent[n])
			})
		} else {
			client.Produce(ctx, record, done)
		}
	}
	outstanding.Wait()
	seconds := time.Since(begun).Seconds()
	if *idle > 0 {
		time.Sleep(time.Duration(*idle) * time.Second)
	}
	return report(seconds)
}

func done(_ *kgo.Record, err error) {
	if err != nil {
		if failed == 0 {
			fmt.Fprintln(os.Stderr, err)
		}
		failed++
	} else {
		if acked == 0 {
			first = time.Now()
		}
		acked++
	}
	outstanding.Done()
}

func report(seconds float64) error {
	slices.Sort(latencies)
	quantile := func(share float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		at := min(int(float64(len(latencies))*share), len(latencies)-1)
		return float64(latencies[at].Microseconds()) / 1000
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	field := func(name string) int {
		for line := range strings.Lines(string(status)) {
			if rest, ok := strings.CutPrefix(line, name); ok {
				n, _ := strconv.Atoi(strings.Fields(rest)[0])
				return n
			}
		}
		return 0
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"client": "franz-go", "records": acked, "failed": failed, "seconds": seconds,
		"cpu_user":   time.Duration(usage.Utime.Nano()).Seconds(),
		"cpu_system": time.Duration(usage.Stime.Nano()).Seconds(),
		"p50_ms":     quantile(0.5), "p99_ms": quantile(0.99),
		"first_ack_ms": float64(first.UnixMicro()-*started) / 1000,
		"rss_bytes":    field("VmRSS:") * 1024, "max_rss_bytes": field("VmHWM:") * 1024,
		"threads": field("Threads:"),
	})
}
