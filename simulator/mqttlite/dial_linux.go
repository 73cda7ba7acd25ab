package mqttlite

import "syscall"

// ipBindAddressNoPort lets the kernel choose the port at connect, when it has the
// destination, so that a port serves several destinations (ip(7), IP_BIND_ADDRESS_NO_PORT).
const ipBindAddressNoPort = 24

func bindLate(_, _ string, conn syscall.RawConn) error {
	return conn.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, ipBindAddressNoPort, 1) // an optimisation only
	})
}
