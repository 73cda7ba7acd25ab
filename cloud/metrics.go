package cloud

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/muster-iot/muster/notify"
)

// collectors returns what /metrics exports. The other packages count for themselves, without
// the metrics library; their counts are read at each scrape.
func (c *Cloud) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		scrape{c},
	}
}

// scrape reads the counts of all parts at each scrape.
type scrape struct{ *Cloud }

// Describe implements prometheus.Collector. It sends nothing: the labels are known at a scrape only.
func (s scrape) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s scrape) Collect(out chan<- prometheus.Metric) {
	gauge := func(name, help string, value float64, labels ...string) {
		send(out, prometheus.GaugeValue, name, help, value, labels...)
	}
	count := func(name, help string, value uint64, labels ...string) {
		send(out, prometheus.CounterValue, name, help, float64(value), labels...)
	}

	b := s.broker.Stats()
	gauge("muster_connections", "Devices connected now.", float64(b.Connections))
	gauge("muster_connections_pending", "Connections that are not admitted yet.", float64(b.Pending))
	count("muster_accepted_total", "Connections admitted.", b.Accepted)
	for code, n := range b.Refused {
		count("muster_refused_total", "Connections refused, by MQTT 5 reason code.", n, "code", fmt.Sprintf("0x%02x", code))
	}
	for code, n := range b.Ended {
		count("muster_ended_total", "Connections ended, by MQTT 5 reason code; 0x00 stands for the device or the network.", n, "code", fmt.Sprintf("0x%02x", code))
	}
	count("muster_takeovers_total", "Connections replaced by a newer one of the same device.", b.Takeovers)
	count("muster_paused_total", "Connections that had to wait for CONNACK because their device connects too often.", b.Paused)
	count("muster_panics_total", "Connections ended by a panic, which is a bug: please report it.", b.Panics)
	count("muster_messages_in_total", "Messages from devices.", b.MessagesIn)
	count("muster_messages_out_total", "Messages to devices, chunks included.", b.MessagesOut)
	count("muster_bytes_out_total", "Bytes sent to devices.", b.BytesOut)
	for why, n := range b.Ignored {
		count("muster_broker_ignored_total", "Messages dropped without ending the connection, by reason.", n, "reason", why)
	}
	for why, n := range s.sessions.Ignored() {
		count("muster_ignored_total", "Messages from devices that had no effect, by reason.", n, "reason", why)
	}

	expiries := make(map[string]int64) // several listeners may use one file
	for _, set := range s.certificates {
		for _, e := range set.Expiries() {
			expiries[e.File] = e.Until.Unix()
		}
	}
	for file, until := range expiries {
		gauge("muster_certificate_expiry_seconds", "Unix time at which a TLS certificate expires, by file.", float64(until), "file", file)
	}

	gauge("muster_event_listeners", "Open event streams and live pages.", float64(s.activity.Listeners()))

	h := s.sessions.Handshakes()
	count("muster_handshakes_total", "Hellos accepted.", h.Greeted)
	count("muster_handshakes_retried_total", "Handshakes evaluated again because the device or the catalog had changed.", h.Retried)
	count("muster_handshakes_earlier_boot_total", "Hellos of an earlier boot of the device, which had no effect.", h.Earlier)
	for why, n := range h.Refused {
		count("muster_admission_refused_total", "Admissions refused, by reason.", n, "reason", why.String())
	}

	a := s.accounts.Stats()
	count("muster_sign_ins_failed_total", "Sign-ins with a wrong password.", a.FailedSignIns)
	count("muster_sign_ins_throttled_total", "Sign-ins refused because of too many wrong passwords.", a.ThrottledSignIns)

	o := s.ota.Stats()
	gauge("muster_updates_running", "Downloads with a slot.", float64(o.Running))
	gauge("muster_updates_waiting", "Devices that wait for a slot.", float64(o.Waiting))
	gauge("muster_updates_stalled", "Downloads that lost their slot because the device went silent.", float64(o.Stalled))
	gauge("muster_chunk_cache_bytes", "Bytes of encoded chunks in memory.", float64(o.CacheBytes))
	count("muster_offers_total", "Offers sent.", o.Offers)
	count("muster_chunks_total", "Chunks sent.", o.Chunks)
	count("muster_chunk_bytes_total", "Bytes of encoded chunks sent.", o.Bytes)
	for state, n := range o.Ended {
		count("muster_updates_ended_total", "Updates ended, by state.", n, "state", state.String())
	}

	n := s.notify.Stats()
	gauge("muster_notifications_queued", "Notifications to be delivered, of all teams.", float64(n.Queued))
	for _, kind := range []notify.Medium{notify.Webhook, notify.Mail} {
		count("muster_notifications_sent_total", "Notifications delivered.", n.Sent[kind], "kind", string(kind))
		count("muster_notifications_failed_total", "Notifications given up after the last attempt.", n.Failed[kind], "kind", string(kind))
		count("muster_notification_attempts_failed_total", "Attempts to deliver a notification that failed.", n.Attempts[kind], "kind", string(kind))
	}

	if s.bucket != nil {
		b, usable := s.bucket.Stats(), 1.0
		if s.bucket.Trouble() != nil {
			usable = 0
		}
		gauge("muster_images_ready", "1 while the bucket of images can be used, else 0.", usable)
		gauge("muster_image_copies_bytes", "Room on the disk that copies of images take.", float64(b.CopyBytes))
		count("muster_image_fetches_total", "Images fetched from the bucket.", b.Fetches)
		count("muster_image_fetched_bytes_total", "Bytes of these.", b.FetchedBytes)
	}

	ready := 0.0
	if s.store.Ready() == nil {
		ready = 1
	}
	gauge("muster_store_ready", "1 while reads and writes of the store work, else 0.", ready)
	space := s.disk.Space()
	gauge("muster_disk_free_bytes", "Room on the disk of the data folder; 0 where the system does not say.", float64(space.Free))
	gauge("muster_disk_reserve_bytes", "Below this much room, uploads, messages and commands are refused.", float64(space.Reserve()))
	r := s.store.Stats()
	count("muster_store_trips_total", "Round trips to Redis.", r.ReadTrips, "kind", "read")
	count("muster_store_trips_total", "Round trips to Redis.", r.WriteTrips, "kind", "write")
	count("muster_store_operations_total", "Operations carried out in these round trips.", r.Reads, "kind", "read")
	count("muster_store_operations_total", "Operations carried out in these round trips.", r.Writes, "kind", "write")
	count("muster_store_retries_total", "Round trips that were repeated.", r.Retries)
	if f := s.store.FeedStats(); f.Joined {
		draining := 0.0
		if s.draining.begun.Load() {
			draining = 1
		}
		gauge("muster_servers", "Servers that share the store and live, this one included.", float64(1+len(s.store.Nodes().Peers())))
		gauge("muster_draining", "1 while this server moves its devices to others before it ends.", draining)
		gauge("muster_feed_behind_rows", "Writes of other servers that lists do not have yet.", float64(f.Rows))
		gauge("muster_feed_behind_seconds", "How long ago lists had all writes of other servers.", f.Behind.Seconds())
		count("muster_feed_rows_total", "Writes of other servers that lists have.", f.Applied)
		count("muster_feed_rescans_total", "Parts of the devices, of 256, that were read again because their feed had a gap.", f.Rescans)
	}
}

// send sends one sample; labels are name, value pairs.
func send(out chan<- prometheus.Metric, kind prometheus.ValueType, name, help string, value float64, labels ...string) {
	pairs := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		pairs[labels[i]] = labels[i+1]
	}
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, pairs), kind, value)
}
