// Package muster is the map of the repository; it holds no code.
//
// Muster is a device cloud in one binary. Read the packages in this order:
//
//	calendar            windows of local time
//	fleet               the vocabulary and the pure rules: ids, versions, devices, who may do what
//	event               what happens, as listeners receive it
//	audit/chain         the hashes that link the entries of an audit log
//	devicefile          files of devices to import: lists, spreadsheets, secrets
//	devicelog           last connections of a device, and earlier values of its facts
//	wire                the device protocol: topics, messages, CBOR, limits, reason codes
//	wire/mqtt           the MQTT packets that are written by hand
//	proxy               the address of a client behind a proxy
//	broker              MQTT: accepts connections, asks the cloud, carries messages
//	broker/chunkio      writes a connection: packets, and queued chunks of firmware
//	handshake           admission of devices, and what their Hellos report
//	ota                 the life of an update: decision, offer, Wants, reports, slots
//	ota/precedence      the rule itself: (device, catalog) -> (target, reason, trace), and the gates after it
//	ota/metadata        what a firmware image states about itself
//	ota/image           firmware images, and the chunks made of them
//	ota/image/bucket    images in an S3 bucket that servers share, and their copies on disk
//	ota/image/s3        objects in an S3 bucket
//	ota/release         what operators do about firmware: upload, release, impact, why, stop, retry
//	ota/remaining       the devices that don't run their target yet, and why
//	ota/rehearsal       a release on a copy of the fleet, in a time of its own
//	ota/pace            how many devices a release with a plan updates at once
//	ota/rollout         releases with a plan: growing by stages, halting, going back
//	ota/otatest         a product with firmware and devices, for tests of these
//	history             what fleets did over time
//	registry            what operators do to products, groups and devices
//	registry/fence      batches that were answered are not carried out again
//	job                 changes of many devices, in the background
//	filter              filters of devices, and those that teams saved
//	quota               what one team and one user may have of what all share
//	roaming             which BLE devices a gateway attaches, moves and registers
//	accounts            teams, members, users, passwords and tokens
//	notify              notifications of alerts, and digests
//	notify/webhook      signed posts to URLs that users choose
//	notify/mail         mail over SMTP
//	certificate         TLS certificates from files that change
//	certificate/selfsigned  certificates for tests and benchmarks
//	steady              a clock for deadlines that are stored
//	limit               how often something may happen per key
//	audit               the log of who changed what
//	store               the fleet in Redis
//	store/document      documents in Redis that are changed by compare-and-set
//	store/retention     how much is kept of what grows, and for how long
//	store/pipeline      round trips to Redis, shared by all callers
//	store/slots         which master of a Redis Cluster holds which key
//	store/record        how fleet's types are encoded in Redis
//	store/redisserver   the redis-server that Muster starts for itself
//	store/lockfile      one process per data folder
//	store/redistest     real Redis Clusters and Sentinels for tests and benchmarks
//	store/identity      which store this is, and which process holds it
//	store/feed          keeps the index equal to the records, whoever writes them
//	store/jobs          background jobs, and the devices they are about
//	store/filters       filters that teams saved
//	store/journal       what was begun and must be finished
//	store/keys          the keys of Redis
//	store/migrate       from the layout of an older release to that of this one
//	store/outbox        notifications until they are delivered
//	store/move          to another Redis
//	store/repeat        outcomes of requests that may be repeated
//	store/relay         news from one server to the others that subscribe to it
//	store/require       what Muster requires of a Redis
//	store/stream        records in order of arrival
//	store/timeline      numbers over time, in bounded room
//	store/storetest     stores for the tests of packages above
//	store/alert         alerts of teams
//	store/namesake      reads the devices of several teams that have one id
//	store/node          the servers that share a store
//	store/grant         limits of all servers that share a store, divided among them
//	store/command       commands to devices
//	store/claim         ids and unique names
//	store/disk          how much room is left, and what is refused below a reserve
//	store/spool         lines in a file, until Redis takes them
//	index               lists, filters and counts of devices, in memory
//	api                 the shapes of the REST API
//	api/client          the Go client of the REST API
//	api/route           functions as HTTP operations: tokens, rights, bodies, errors, OpenAPI
//	api/rest            the operations
//	api/channels        operations on notifications
//	api/exports         operations that write whole lists
//	export              lists as CSV and JSON lines
//	api/account         operations on what concerns a team as a whole
//	api/updates         operations on the updates of many devices at once
//	api/jobs            operations on background jobs and saved filters
//	api/upload          operations that take files
//	api/particle        operations for Particle's clients
//	api/history         operations on what fleets did over time
//	api/rehearsal       the operation that rehearses a release
//	api/nrf             operations for nRF Cloud's clients
//	edge                the HTTP server in front of all handlers: limits, deadlines, names
//	console             the operator's web pages
//	console/browsertest tests of the pages on whole servers, in a real browser
//	humane              numbers, sizes and times as people read them
//	sse                 streams of events to HTTP clients, for api and console
//	simulator           a fleet of devices in one process
//	simulator/mqttlite  a light MQTT client
//	simulator/ble       BLE devices behind gateways
//	conform             a test bench for one device, in the server's place
//	configs             the file an operator edits, and its strict loader
//	activity            what happens to devices, as events, counts, messages and alerts
//	peers               what happens at the other servers that share the store
//	session             the way of a connected device from handshake to updates
//	cloud               composition: one running server
//	cloud/cloudtest     whole servers for tests of the whole path
//	cli                 the operator's verbs on the command line
//	cli/terminal        reading from and drawing on a terminal
//	cmd/muster          the one binary: server, demo, simulator, and the verbs of cli
//	siege               a whole server while strangers do their worst
//	chaos               a fleet under faults, on one server or several, and an oracle that judges what is left
//	chaos/cable         connections that break
//	chaos/device        the devices whose answers chaos judges one by one
//	chaos/machine       a server with a clock that can be stepped, and a small disk
//	deploy/haproxy      HAProxy with the example, for tests and chaos
//	bench               side-by-side benchmarks
//	bench/device        the devices of a benchmark
//	bench/nodes         several servers on one Redis, and growth with the fleet
//	bench/process       servers under test, and what the kernel reports of them
//	bench/report        what a benchmark found, as tables or JSON
//	bench/swarm         many MQTT clients, over TCP or TLS
//	bench/rest          the few REST calls that prepare a benchmark
//	bench/server        starting muster serve for a benchmark
//
// The rules between them are in docs/architecture.md and enforced by arch_test.go.
package muster
