//! The small networks of the tracker, as plain loops over weights.

/// A fully connected layer.
#[derive(Default)]
pub(super) struct Dense {
    /// One row per output.
    weights: Box<[f32]>,
    bias: Box<[f32]>,
    inputs: usize,
}

impl Dense {
    pub(super) fn read(from: &mut Numbers, inputs: usize, outputs: usize) -> Self {
        Self {
            weights: from.take(inputs * outputs),
            bias: from.take(outputs),
            inputs,
        }
    }

    pub(super) fn run(&self, input: &[f32], output: &mut [f32]) {
        let rows = self.weights.chunks_exact(self.inputs);
        for ((output, row), bias) in output.iter_mut().zip(rows).zip(&self.bias) {
            *output = dot(row, input) + bias;
        }
    }
}

/// One hidden layer of rectified units, one output.
#[derive(Default)]
pub(super) struct Net {
    hidden: Dense,
    output: Dense,
}

/// Most hidden units of a [`Net`].
const MOST_HIDDEN: usize = 32;

impl Net {
    pub(super) fn read(from: &mut Numbers, inputs: usize, hidden: usize) -> Self {
        assert!(hidden <= MOST_HIDDEN);
        Self {
            hidden: Dense::read(from, inputs, hidden),
            output: Dense::read(from, hidden, 1),
        }
    }

    pub(super) fn run(&self, input: &[f32]) -> f32 {
        let mut units = [0.0; MOST_HIDDEN];
        let units = &mut units[..self.hidden.bias.len()];
        self.hidden.run(input, units);
        rectify(units);
        let mut output = [0.0];
        self.output.run(units, &mut output);
        output[0]
    }
}

/// A gated recurrent unit (Cho et al., 2014), in the form and order of PyTorch's: reset, update, new.
#[derive(Default)]
pub(super) struct Gru {
    input: Dense,
    state: Dense,
}

impl Gru {
    pub(super) fn read(from: &mut Numbers, inputs: usize, size: usize) -> Self {
        Self {
            input: Dense::read(from, inputs, 3 * size),
            state: Dense::read(from, size, 3 * size),
        }
    }

    pub(super) fn step<const SIZE: usize, const GATES: usize>(
        &self,
        input: &[f32],
        state: &mut [f32; SIZE],
    ) {
        const { assert!(GATES == 3 * SIZE) };
        let (mut from_input, mut from_state) = ([0.0; GATES], [0.0; GATES]);
        self.input.run(input, &mut from_input);
        self.state.run(state, &mut from_state);
        for (i, value) in state.iter_mut().enumerate() {
            let reset = sigmoid(from_input[i] + from_state[i]);
            let update = sigmoid(from_input[SIZE + i] + from_state[SIZE + i]);
            let new = (from_input[2 * SIZE + i] + reset * from_state[2 * SIZE + i]).tanh();
            *value = (1.0 - update) * new + update * *value;
        }
    }
}

/// Reads a file of little-endian f32 from front to back.
pub(super) struct Numbers(pub &'static [u8]);

impl Numbers {
    fn take(&mut self, count: usize) -> Box<[f32]> {
        let (these, rest) = self.0.split_at(4 * count);
        self.0 = rest;
        let values = these.as_chunks::<4>().0.iter();
        values.map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }
}

pub(super) fn rectify(values: &mut [f32]) {
    for value in values {
        *value = value.max(0.0);
    }
}

pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Sum of products, in lanes that the compiler can turn into vector instructions.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    for (x, y) in a.iter().zip(b) {
        for lane in 0..16 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}
