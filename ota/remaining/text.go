package remaining

import (
	"strings"

	"github.com/muster-iot/muster/ota/precedence"
)

var texts = map[string]string{
	precedence.CauseFailed:    "the last attempt failed, another follows",
	precedence.CauseOffline:   "offline",
	precedence.CauseHandshake: "online, until their next handshake or a free place for an update",

	"offered":     "being offered the update",
	"downloading": "downloading",
	"stored":      "downloaded, about to restart",
	"applying":    "restarting into it",

	"disabled":       "disabled: they can't connect",
	"wrong_hardware": "of a hardware that the firmware is not for",
	"below_floor":    "run a newer security counter: they can't go back",
	"no_way":         "run a version from which no uploaded version leads there",
	"too_large":      "the image is larger than they can store",
	"not_now":        `the device declines updates ("not now")`,
	"held":           "held since an operator stopped the update; retry it to include them",
	"exhausted":      "all attempts failed; retry the update to include them",
	"development":    "development devices, never updated automatically",
	"locked":         "locked to a version",

	"window":                "outside the release's windows",
	"zone_unknown":          "without a time zone, which the release's windows need",
	precedence.LimitAtOnce:  "until another device is done: the release limits how many update at once",
	precedence.LimitHourly:  "for their turn at the release's rate",
	precedence.LimitGroup:   "for other devices of their group",
	precedence.LimitGateway: "for other devices behind their gateway",
	precedence.LimitUnknown: "while the release's devices are counted",
}

// Text explains a cause, or an impact's word for why devices get no update.
func Text(cause string) string {
	if text, known := texts[cause]; known {
		return text
	}
	return strings.ReplaceAll(cause, "_", " ")
}
