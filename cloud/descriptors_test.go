package cloud

import "testing"

func TestNoKindOfConnectionUsesUpTheDescriptorsOfAnother(t *testing.T) {
	t.Parallel()
	asked := capacity{mqtt: 100_000, pending: 1024, http: 2000}
	for _, row := range []struct {
		name  string
		limit int
		want  capacity
	}{
		{"unlimited", 0, asked},
		{"enough", 103_120, asked},
		{"one too few", 103_119, capacity{mqtt: 99_999, pending: 1024, http: 2000}},
		{"a usual limit", 1024, capacity{mqtt: 464, pending: 232, http: 232}},
		{"a small one", 160, capacity{mqtt: 32, pending: 16, http: 16}},
		{"a tiny one", 20, capacity{mqtt: 3, pending: 1, http: 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := asked.within(row.limit)
			if got != row.want {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
			if row.limit > 4*reserved && got.descriptors() > row.limit {
				t.Errorf("%d descriptors, of %d", got.descriptors(), row.limit)
			}
		})
	}
}
