package main

import (
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/muster-iot/muster/wire"
)

// register declares the flags of o, whose values are the defaults. What a benchmark has
// no use for is not offered.
func (o *options) register(flags *flag.FlagSet) {
	flags.IntVar(&o.devices, "devices", o.devices, "devices; each has a connection unless another flag sets how many")
	flags.IntVar(&o.dialers, "dialers", o.dialers, "connections being made at the same time")
	if o.runs > 0 {
		flags.IntVar(&o.runs, "runs", o.runs, "measure each server this often, in turns")
		flags.Var(&o.sides, "servers", "measure `muster`, mosquitto or both (default both)")
	}
	if o.asked > 0 {
		flags.IntVar(&o.clients, "clients", o.clients, "requests at the same time, each client's on a connection of its own")
		flags.IntVar(&o.asked, "requests", o.asked, "requests of each kind")
		flags.IntVar(&o.online, "online", o.online, "devices that are connected")
		flags.StringVar(&o.fleet, "fleet", "", "keep the fleet in this `folder`, for the next run to find it there")
	}
	flags.StringVar(&o.muster, "muster", "", "`path` of the muster binary (default: build it)")
	flags.DurationVar(&o.timeout, "timeout", o.timeout, "give up after this time")
	if o.settle > 0 {
		flags.DurationVar(&o.settle, "settle", o.settle, "rest before memory is read")
	}
	if o.fleets != nil {
		flags.Func("fleets", "start servers on fleets of so many devices; several, separated by commas (default 1000,100000)", func(s string) (err error) {
			o.fleets, err = counts(s)
			return err
		})
	}
	if o.size > 0 {
		flags.Int64Var(&o.size, "size", o.size, "bytes of an image")
		flags.Var((*sizes)(&o.chunks), "chunk", "bytes of image data per chunk; several, separated by commas")
		flags.Var(&o.topics, "topics", "send through Mosquitto on one topic that is `shared` by all, or on one for each device (default shared)")
		flags.Func("window", fmt.Sprintf("chunks in flight to a device (default %d)", o.window), func(s string) error {
			n, err := strconv.ParseUint(s, 10, 32)
			if err == nil && (n < 1 || n > wire.MaxWindow) {
				err = fmt.Errorf("1 to %d are allowed", wire.MaxWindow)
			}
			o.window = uint32(n)
			return err
		})
	}
}

// connections are how many devices are connected at the same time.
func (o *options) connections() int {
	if o.online > 0 {
		return o.online + o.dialers
	}
	return o.devices
}

// sides is which servers are measured; the zero value is both.
type sides struct{ only string }

func (s *sides) muster() bool    { return s.only != "mosquitto" }
func (s *sides) mosquitto() bool { return s.only != "muster" }
func (s *sides) String() string  { return s.only }

// Set reads the value of a flag.
func (s *sides) Set(text string) error {
	switch text {
	case "both":
		s.only = ""
	case "muster", "mosquitto":
		s.only = text
	default:
		return fmt.Errorf("both, muster or mosquitto")
	}
	return nil
}

// topics is how firmware is sent through Mosquitto; the zero value is on one shared topic.
type topics struct{ each bool }

func (t *topics) shared() bool { return !t.each }

func (t *topics) String() string {
	if t.each {
		return "a topic for each device"
	}
	return "one topic shared by all"
}

// Set reads the value of a flag.
func (t *topics) Set(text string) error {
	if text != "shared" && text != "each" {
		return fmt.Errorf("shared or each")
	}
	t.each = text == "each"
	return nil
}

// sizes are chunk sizes.
type sizes []uint32

func (s *sizes) String() string {
	var words []string
	for _, n := range *s {
		words = append(words, strconv.Itoa(int(n)))
	}
	return strings.Join(words, ",")
}

// Set reads the value of a flag.
func (s *sizes) Set(text string) error {
	*s = nil
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			return err
		}
		if wire.ChunkSize(uint32(n)) != uint32(n) {
			return fmt.Errorf("%d is not a power of two from %d to %d", n, wire.MinChunk, wire.MaxChunk)
		}
		*s = append(*s, uint32(n))
	}
	return nil
}

// counts reads numbers above 0, separated by commas.
func counts(text string) (numbers []int, err error) {
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number above 0", word)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}
