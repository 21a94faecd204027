//! An acoustic run that takes milliseconds a step, for tests from within the library and from outside it.

use std::path::Path;
use std::sync::Arc;

use half::f16;
use mien_face::FRAME;
use mien_models::networks::BANDS;
use mien_models::nn::ConvNeXtConfig;
use mien_models::train::acoustic::AcousticRun;
use mien_models::train::batches::{Item, Pool};
use mien_models::train::config::TrainConfig;
use mien_models::train::features::{FeatureSet, Features};
use mien_models::train::phones::Phone;
use tch::Device;

/// A second in which two phones are said, one in low bands and one in high ones, with a sound of one pitch.
pub fn pool() -> Arc<Pool> {
    let band = |t: usize, b: usize| match (t / 25).is_multiple_of(2) == (b < BANDS / 2) {
        true => -2.0,
        false => -12.0,
    };
    let frame = |t: usize| std::array::from_fn(|b| f16::from_f32(band(t, b)));
    let features = Features {
        mel: (0..100).map(frame).collect(),
        pitch: vec![[120.0, 1.0]; 100],
        sound: (0..100 * FRAME)
            .map(|i| ((i % 200) as i16 - 100) * 90)
            .collect(),
    };
    let phone = |i: u8| Phone {
        label: 1 + i % 2,
        start: f32::from(i) * 0.25,
        end: f32::from(i + 1) * 0.25,
    };
    let item = Item {
        key: "a".into(),
        teacher_key: "a".into(),
        rate: 1.0,
        speaker: 0,
        person: 0,
        corpus: 0,
        emotion: 0,
        wide: true,
        weight: 1.0,
    };
    let features = Arc::new(FeatureSet::from([("a".to_owned(), features)]));
    let phones = [("a".to_owned(), (0..4).map(phone).collect())].into();
    Arc::new(Pool::new(vec![item], features, None).with_phones(Some(Arc::new(phones))))
}

/// Networks of one narrow block, batches of four crops of 0.8 s.
pub fn config() -> TrainConfig {
    let mut config = TrainConfig::default();
    let small = |trunk: &ConvNeXtConfig| ConvNeXtConfig {
        width: 24,
        dilations: vec![1],
        ..trunk.clone()
    };
    config.networks.content = small(&config.networks.content);
    config.networks.generator = small(&config.networks.generator);
    config.networks.vocoder = small(&config.networks.vocoder);
    config.acoustic.batch = 4;
    config.acoustic.frames = 80;
    config.acoustic.optimizer.warm_up = 2;
    config
}

/// A run on the pool's one speaker, without a deadline.
pub fn run<'a>(config: &'a TrainConfig, pool: &Arc<Pool>, folder: &Path) -> AcousticRun<'a> {
    AcousticRun {
        config,
        pool: pool.clone(),
        voices: pool.clone(),
        held_out: pool.clone(),
        mean_pitch: vec![0.0],
        folder: folder.to_owned(),
        start: None,
        deadline: None,
        device: Device::Cpu,
    }
}
