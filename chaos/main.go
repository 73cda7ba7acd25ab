package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/muster-iot/muster/chaos/machine"
)

// config is what a run is asked for.
type config struct {
	seed    uint64
	cluster bool // several servers on a Redis Cluster
	devices int
	rounds  int           // 0: as many as fit into time
	time    time.Duration // for all rounds
	storm   time.Duration // of a round: how long acts and faults continue
	settle  time.Duration // how long devices have afterwards to end where they should
	only    string        // names of faults, separated by commas; "": all
	acts    string        // names of acts, likewise
	keep    bool          // keep the folder of rounds that passed
	clock   bool          // step the server's clock, too
	verbose bool
}

// minDevices is the smallest fleet of which every act has a part.
const minDevices = 16

func main() {
	if inside, code := machine.OwnMounts(); !inside {
		os.Exit(code)
	}
	c := config{clock: machine.CanStep, settle: 2 * time.Minute}
	flag.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano()%1_000_000), "seed of the first round; each further one counts up")
	flag.BoolVar(&c.cluster, "cluster", false, fmt.Sprintf("break %d servers on a Redis Cluster behind a balancer, with 500 devices, in rounds of 90 s", nodes))
	flag.IntVar(&c.devices, "devices", 300, "simulated devices")
	flag.IntVar(&c.rounds, "rounds", 0, "rounds to run; 0: as many as fit into -time")
	flag.DurationVar(&c.time, "time", 10*time.Minute, "begin no round that would end after this")
	flag.DurationVar(&c.storm, "storm", 40*time.Second, "how long acts and faults continue in a round")
	flag.StringVar(&c.only, "faults", "", "only these faults, separated by commas: "+strings.Join(faultNames(false), ", ")+
		"; with -cluster: "+strings.Join(faultNames(true), ", "))
	flag.StringVar(&c.acts, "acts", "", "only these acts, separated by commas: "+strings.Join(actNames(), ", "))
	flag.BoolVar(&c.keep, "keep", false, "keep the folders of rounds that passed, too")
	flag.BoolVar(&c.verbose, "v", false, "print every act and fault")
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if c.cluster && !given["devices"] {
		c.devices = 500
	}
	if c.cluster && !given["storm"] {
		c.storm = 90 * time.Second
	}
	if err := c.check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	failed := c.run(ctx)
	machine.RemoveServers()
	if failed > 0 {
		fmt.Printf("%d rounds failed\n", failed)
		os.Exit(1)
	}
}

// check returns an error for a fleet that is too small, and for a name that is not in the tables,
// which would select nothing.
func (c config) check() error {
	if c.devices < minDevices {
		return fmt.Errorf("-devices %d: use at least %d, since acts take a share of the fleet", c.devices, minDevices)
	}
	for list, known := range map[string][]string{c.only: faultNames(c.cluster), c.acts: actNames()} {
		for name := range strings.SplitSeq(list, ",") {
			if list != "" && !slices.Contains(known, name) {
				return fmt.Errorf("%q is not one of %s", name, strings.Join(known, ", "))
			}
		}
	}
	return nil
}

// run runs the rounds and returns how many failed. What a round found goes to standard output.
func (c config) run(ctx context.Context) (failed int) {
	binary, err := machine.BuildServer(ctx, c.clock && !c.cluster && (c.only == "" || strings.Contains(c.only, "clock-")))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	began, longest := time.Now(), c.storm+time.Minute
	for n := 0; ctx.Err() == nil && (c.rounds == 0 || n < c.rounds) && (n == 0 || c.rounds > 0 || time.Since(began)+longest < c.time); n++ {
		r := round{config: c, seed: c.seed + uint64(n), binary: binary}
		started := time.Now()
		wrong, err := r.run(ctx)
		if ctx.Err() != nil {
			break
		}
		longest = max(longest, time.Since(started))
		fmt.Printf("seed %d: %d acts, %d faults (%s), %d updates, %d messages, %d commands in %.0f s\n", r.seed, r.acts, r.faults, r.tally(),
			r.confirmed, r.reported, r.world.commandsSent(), time.Since(started).Seconds())
		if r.cluster != nil {
			fmt.Printf("  replicas that have what is acknowledged: %v; %s\n", r.copied, r.cluster.figures())
		}
		if err == nil && len(wrong) == 0 {
			continue
		}
		failed++
		if err != nil {
			fmt.Println("  could not finish:", err)
		}
		for _, w := range wrong {
			fmt.Println("  wrong:", w)
		}
		fmt.Printf("  folder: %s\n  again: go run ./chaos -cluster=%v -seed %d -rounds 1 -devices %d -storm %v -v\n", r.folder, c.cluster, r.seed, c.devices, c.storm)
	}
	return failed
}
