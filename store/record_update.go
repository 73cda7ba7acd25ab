package store

import "github.com/muster-iot/muster/fleet"

func packUpdate(u *fleet.Update) string {
	p := packer{data: make([]byte, 0, 192)}
	if u.ID != (fleet.UpdateID{}) {
		p.bytes(1, u.ID[:])
	}
	p.number(2, uint64(u.Product))
	p.version(3, u.From)
	p.version(4, u.To)
	if u.Digest != (fleet.Digest{}) {
		p.bytes(5, u.Digest[:])
	}
	p.number(6, uint64(u.Size))
	p.number(7, uint64(u.State))
	p.number(8, uint64(u.Reason))
	p.text(9, u.Text)
	p.number(10, uint64(u.Attempt))
	p.number(11, uint64(u.Next))
	p.time(12, u.Started)
	p.time(13, u.Stored)
	p.time(14, u.Applied)
	p.time(15, u.Changed)
	return p.String()
}

func unpackUpdate(record string) (u fleet.Update, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			copy(u.ID[:], v)
		case 2:
			u.Product = fleet.ProductID(v.number())
		case 3:
			u.From = v.version()
		case 4:
			u.To = v.version()
		case 5:
			copy(u.Digest[:], v)
		case 6:
			u.Size = int64(v.number())
		case 7:
			u.State = fleet.UpdateState(v.number())
		case 8:
			u.Reason = fleet.ReasonCode(v.number())
		case 9:
			u.Text = string(v)
		case 10:
			u.Attempt = int(v.number())
		case 11:
			u.Next = int64(v.number())
		case 12:
			u.Started = v.time()
		case 13:
			u.Stored = v.time()
		case 14:
			u.Applied = v.time()
		case 15:
			u.Changed = v.time()
		}
	})
	return u, err
}

func packAttempts(a fleet.Attempts) string {
	var p packer
	p.version(1, a.Target)
	p.number(2, uint64(a.Spent))
	p.time(3, a.NotBefore)
	p.number(4, uint64(a.Transfers))
	p.flag(5, a.Held)
	return p.String()
}

func unpackAttempts(record string) (a fleet.Attempts, err error) {
	err = unpack(record, func(tag byte, v packed) {
		switch tag {
		case 1:
			a.Target = v.version()
		case 2:
			a.Spent = int(v.number())
		case 3:
			a.NotBefore = v.time()
		case 4:
			a.Transfers = int(v.number())
		case 5:
			a.Held = v.number() == 1
		}
	})
	return a, err
}
