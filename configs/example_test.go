package configs_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/muster-iot/muster/configs"
)

// A file changes some defaults, a variable of the environment wins over it, and a flag over
// both. All mistakes come back at once, each with where it was made.
func Example() {
	folder, err := os.MkdirTemp("", "muster")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	file := filepath.Join(folder, "muster.yaml")
	if err := os.WriteFile(file, []byte("mqtt:\n  addr: :1884\nota:\n  max_image: 8 MiB\n"), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	c, err := configs.Load(configs.Sources{
		File:  file,
		Env:   []string{"MUSTER_MQTT_ADDR=:1885"},
		Flags: []configs.Flag{{Name: "--mqtt", Key: "mqtt.addr", Value: ":1886"}},
	})
	fmt.Println(c.MQTT.Addr, c.OTA.MaxImage, err)

	_, err = configs.Load(configs.Sources{Env: []string{"MUSTER_OTA_MAX_IMAGE=huge", "MUSTER_MQTT_ADR=:1883"}})
	fmt.Println(err)
	// Output:
	// :1886 8MiB <nil>
	// environment: MUSTER_OTA_MAX_IMAGE: "huge" is not a size such as 512KB or 64MiB
	// environment: unknown variable MUSTER_MQTT_ADR, did you mean MUSTER_MQTT_ADDR?
}
