package client_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/muster-iot/muster/api"
	"github.com/muster-iot/muster/api/client"
	"github.com/muster-iot/muster/cloud"
	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/fleet"
)

// Imports a device, releases firmware to its group, and asks what the device should run.
func Example() {
	ctx := context.Background()
	address, stop := startServer(ctx)
	defer stop()

	c, _, err := client.SignIn(ctx, address, "me@example.com", "correct horse battery staple")
	check(err)
	product, err := c.CreateProduct(ctx, "Smart lamp", "lamp")
	check(err)
	imported, err := c.Import(ctx, product.Slug, api.NewDevices{IDs: []string{"lamp-7"}, Groups: api.Names{"beta"}})
	check(err)
	fmt.Println("imported:", imported.New, "with", len(imported.Secrets), "secret")

	seven := api.Version{Version: fleet.WholeVersion(7)}
	_, err = c.Upload(ctx, product.Slug, api.NewFirmware{Version: seven, Title: "Seven"}, strings.NewReader("an image"))
	check(err)
	_, err = c.Release(ctx, product.Slug, api.Release{Version: seven, Groups: api.Some(api.Names{"beta"})})
	check(err)

	d, err := c.Device(ctx, "lamp-7")
	check(err)
	fmt.Println("target:", d.Target, "because of its", d.TargetReason)
	// Output:
	// imported: [lamp-7] with 1 secret
	// target: 7 because of its group
}

// startServer runs a whole server in this process.
func startServer(ctx context.Context) (address string, stop func()) {
	data, err := os.MkdirTemp("", "muster-example")
	check(err)
	config := cloud.Config{Config: configs.Default()}
	config.MQTT.Addr, config.HTTP.Addr, config.Data, config.Redis.Ephemeral = "", "127.0.0.1:0", data, true
	config.Owner.Email, config.Owner.Password = "me@example.com", "correct horse battery staple"
	server, err := cloud.New(ctx, config)
	check(err)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	return "http://" + server.Addresses().HTTP, func() {
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
