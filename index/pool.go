package index

// pool keeps each distinct value once and gives it a small number. Number 0 is the zero value:
// whoever makes the pool must take it first, and it is never freed. Other numbers are used again
// once their last user has released them, so that devices that keep reporting new versions don't
// fill the memory.
type pool[T comparable] struct {
	values  []T
	uses    []int32
	numbers map[T]int32
	free    []int32
}

// take returns the number of v, for one more user.
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

// release counts one user less of number n and frees it with the last.
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
