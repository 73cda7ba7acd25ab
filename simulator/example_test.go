package simulator_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/fleet"
	"github.com/muster-iot/muster/simulator"
	"github.com/muster-iot/muster/simulator/mqttlite"
)

// Ten devices run 1 and update to 2, one in three of which loses its power in the middle.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	mqtt, devices, stop := server(ctx)
	defer stop()

	broker, err := mqttlite.ParseBroker("tcp://" + mqtt)
	check(err)
	two := fleet.WholeVersion(2)
	expect := func(fleet.DeviceID) (simulator.Expectation, bool) {
		return simulator.Expectation{Version: two}, true
	}
	report, err := simulator.Run(ctx, simulator.Config{
		Broker:  broker,
		Devices: devices,
		Version: fleet.WholeVersion(1),
		Faults:  simulator.Faults{PowerLoss: []simulator.StageChance{{Stage: simulator.StageDownload, Chance: 0.33}}},
		Seed:    1,
		Haste:   100, // shortens the waits before devices boot and reconnect
		Every:   10 * time.Millisecond,
		Done:    func(f *simulator.Fleet) bool { return f.Verdict(expect).OK },
		Expect:  expect,
	})
	check(err)
	fmt.Println("all run 2:", report.Verdict.OK, report.Versions)
	// Output:
	// all run 2: true map[2:10]
}

// server runs a whole server in this process, with ten devices and version 2 released to all.
func server(ctx context.Context) (mqtt string, devices []simulator.Credential, stop func()) {
	const email, password = "me@example.com", "correct horse battery staple"
	data, err := os.MkdirTemp("", "muster-example")
	check(err)
	config := cloud.Config{Config: configs.Default()}
	config.MQTT.Addr, config.HTTP.Addr, config.Data, config.Redis.Ephemeral = "127.0.0.1:0", "127.0.0.1:0", data, true
	config.Owner.Email, config.Owner.Password = email, password
	s, err := cloud.New(ctx, config)
	check(err)
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(running) }()

	c, _, err := client.SignIn(ctx, "http://"+s.Addresses().HTTP, email, password)
	check(err)
	_, err = c.CreateProduct(ctx, "Smart lamp", "lamp")
	check(err)
	var ids []string
	for n := range 10 {
		ids = append(ids, fmt.Sprint("lamp-", n))
	}
	imported, err := c.Import(ctx, "lamp", api.NewDevices{IDs: ids})
	check(err)
	for id, secret := range imported.Secrets {
		devices = append(devices, simulator.Credential{ID: fleet.DeviceID(id), Secret: secret})
	}
	two := api.Version{Version: fleet.WholeVersion(2)}
	_, err = c.Upload(ctx, "lamp", api.NewFirmware{Version: two, Title: "Two"}, strings.NewReader(strings.Repeat("image", 50_000)))
	check(err)
	_, err = c.Release(ctx, "lamp", api.Release{Version: two, Default: new(true)})
	check(err)
	return s.Addresses().MQTT, devices, func() {
		cancel()
		check(<-ended)
		check(os.RemoveAll(data))
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
