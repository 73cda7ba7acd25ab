package cloud

import (
	"github.com/muster-iot/muster/configs"
	"github.com/muster-iot/muster/store/retention"
)

// keep is what the operator configured, as the store takes it.
func keep(r configs.Retention) retention.Policy {
	return retention.Policy{
		Messages: retention.Share{All: int64(r.Messages), Owner: int64(r.DeviceMessages), Floor: int64(r.DeviceFloor)},
		Alerts:   retention.Share{All: int64(r.Alerts), Owner: int64(r.DeviceAlerts)},
		Audit:    retention.Share{All: int64(r.Audit)},
		SignIns:  retention.Share{All: int64(r.SignIns)},
		Age:      r.Age, AuditAge: r.AuditAge, SignInAge: r.SignInAge,
	}
}
