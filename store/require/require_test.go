package require

import "testing"

func TestAnOldRedisIsRefused(t *testing.T) {
	for version, refused := range map[string]bool{"6.2.14": true, "7.0.15": false, "8.0.0": false, "": true} {
		if err := checkVersion("# Server\r\nredis_version:" + version + "\r\n"); (err != nil) != refused {
			t.Errorf("version %q: got %v, refused wanted: %v", version, err, refused)
		}
	}
}
