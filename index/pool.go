package index

// pool keeps each distinct value once and gives it a small number. Number 0 is the zero
// value, taken first by who makes the pool and never given back. A number is used again when its last user released it,
// so that devices which report ever new versions don't fill the memory.
type pool[T comparable] struct {
	values  []T
	uses    []int32
	numbers map[T]int32
	free    []int32
}

// take returns the number of v for one more user.
func (p *pool[T]) take(v T) int32 {
	if p.numbers == nil {
		p.numbers = map[T]int32{}
	}
	n, ok := p.numbers[v]
	switch {
	case ok:
	case len(p.free) > 0:
		n = p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		p.values[n], p.numbers[v] = v, n
	default:
		n = int32(len(p.values))
		p.values, p.uses = append(p.values, v), append(p.uses, 0)
		p.numbers[v] = n
	}
	p.uses[n]++
	return n
}

// release says that one user of number n is gone.
func (p *pool[T]) release(n int32) {
	p.uses[n]--
	if n == 0 || p.uses[n] > 0 {
		return
	}
	var zero T
	delete(p.numbers, p.values[n])
	p.values[n] = zero
	p.free = append(p.free, n)
}
