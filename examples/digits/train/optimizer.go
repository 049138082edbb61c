package main

import (
	"math"

	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/examples/digits/internal/exact"
)

// optimizer is stochastic gradient descent on the cross-entropy, with momentum, weight decay and a rate that falls
// linearly to zero. One goroutine and fixed orders of summation: the same seed gives the same bits. Every product is
// converted before it is added, so that no compiler fuses the two (see internal/exact).
type optimizer struct {
	epochs   int
	batch    int
	rate     float64 // at the start
	momentum float64
	decay    float64 // of the weights, per step, in units of the rate
}

// gradient of one layer: the sum over a batch, and the running direction of the descent.
type gradient struct {
	weights, bias        []float64
	weightStep, biasStep []float64
}

// run trains the layers of m in place.
func (o optimizer) run(m *digits.Model, rows digits.Set, source *exact.Source) {
	features := make([][]float64, len(rows))
	for i, img := range rows {
		features[i] = m.Features.Of(img.Pixels)
	}
	grads := make([]gradient, len(m.Layers))
	for i, l := range m.Layers {
		grads[i] = gradient{
			make([]float64, len(l.Weights)), make([]float64, len(l.Bias)),
			make([]float64, len(l.Weights)), make([]float64, len(l.Bias)),
		}
	}
	pass := newPass(m.Layers)
	batches := (len(rows) + o.batch - 1) / o.batch
	steps := o.epochs * batches
	for step := 0; step < steps; {
		order := source.Perm(len(rows))
		for start := 0; start < len(order); start += o.batch {
			batch := order[start:min(start+o.batch, len(order))]
			for _, i := range batch {
				pass.accumulate(m.Layers, grads, features[i], rows[i].Label)
			}
			rate := o.rate * (1 - float64(step)/float64(steps))
			for i, l := range m.Layers {
				o.descend(l.Weights, grads[i].weights, grads[i].weightStep, rate, o.decay, len(batch))
				o.descend(l.Bias, grads[i].bias, grads[i].biasStep, rate, 0, len(batch))
			}
			step++
		}
	}
}

// descend makes one step and clears the gradient.
func (o optimizer) descend(params, grad, step []float64, rate, decay float64, rows int) {
	for i := range params {
		g := grad[i]/float64(rows) + float64(decay*params[i])
		step[i] = float64(o.momentum*step[i]) - float64(rate*g)
		params[i] += step[i]
		grad[i] = 0
	}
}

// pass is the scratch space of one forward and backward pass.
type pass struct {
	out   [][]float64 // of each layer, after ReLU, but for the last: probabilities
	delta [][]float64 // derivative of the loss by each layer's output before ReLU
}

func newPass(layers []digits.Layer) pass {
	var p pass
	for _, l := range layers {
		p.out = append(p.out, make([]float64, l.Out))
		p.delta = append(p.delta, make([]float64, l.Out))
	}
	return p
}

// accumulate adds one row's gradient.
func (p pass) accumulate(layers []digits.Layer, grads []gradient, features []float64, label int) {
	last := len(layers) - 1
	in := features
	for i, l := range layers {
		l.Apply(in, p.out[i])
		if i < last {
			for j := range p.out[i] {
				p.out[i][j] = max(p.out[i][j], 0)
			}
		}
		in = p.out[i]
	}
	exact.Softmax(p.out[last], p.out[last])
	copy(p.delta[last], p.out[last])
	p.delta[last][label]--

	for i := last; i >= 0; i-- {
		in = features
		if i > 0 {
			in = p.out[i-1]
			clear(p.delta[i-1])
		}
		l := layers[i]
		for o, d := range p.delta[i] {
			if d == 0 {
				continue
			}
			grads[i].bias[o] += d
			gradRow := grads[i].weights[o*l.In : (o+1)*l.In]
			for j, x := range in {
				gradRow[j] += float64(d * x)
			}
			if i > 0 {
				for j, w := range l.Weights[o*l.In : (o+1)*l.In] {
					p.delta[i-1][j] += float64(d * w)
				}
			}
		}
		if i > 0 {
			for j, x := range in {
				if x <= 0 { // the ReLU was closed
					p.delta[i-1][j] = 0
				}
			}
		}
	}
}

// newLayer draws weights uniformly from ±√(3/in), whose variance is 1/in, so that a layer's output is about as large as
// its input. (LeCun, Bottou, Orr, Müller: Efficient BackProp, 1998, section 4.6.)
func newLayer(source *exact.Source, in, out int) digits.Layer {
	l := digits.Layer{In: in, Out: out, Weights: make(digits.Array, in*out), Bias: make(digits.Array, out)}
	bound := math.Sqrt(3 / float64(in))
	for i := range l.Weights {
		l.Weights[i] = float64(bound * source.Symmetric())
	}
	return l
}
