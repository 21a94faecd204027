/// A small network: one hidden layer of rectified units, one output.
pub(super) struct Net<const INPUTS: usize, const HIDDEN: usize> {
    /// Weights of the hidden units; the scaling of the inputs is part of them.
    pub hidden: [[f32; INPUTS]; HIDDEN],
    pub hidden_bias: [f32; HIDDEN],
    pub output: [f32; HIDDEN],
    pub output_bias: f32,
}

impl<const INPUTS: usize, const HIDDEN: usize> Net<INPUTS, HIDDEN> {
    pub(super) fn run(&self, inputs: &[f32; INPUTS]) -> f32 {
        let mut sum = self.output_bias;
        for ((weights, bias), output) in self.hidden.iter().zip(&self.hidden_bias).zip(&self.output)
        {
            let unit: f32 = weights.iter().zip(inputs).map(|(w, x)| w * x).sum::<f32>() + bias;
            sum += output * unit.max(0.0);
        }
        sum
    }
}
