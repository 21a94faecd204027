//! dev: LIST OUT SNR
use std::io::Write;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (list, out) = (&a[1], &a[2]);
    let speed: f32 = a.get(5).and_then(|s| s.parse().ok()).unwrap_or(1.0);
    let snr: Option<f32> = a.get(3).and_then(|s| s.parse().ok());
    let mut n = 0;
    let mut secs = 0.0;
    let mut st = 1u64;
    for p in std::fs::read_to_string(list).unwrap().lines() {
        if !std::path::Path::new(&format!("/work/cache/pitch/refs/{}.npz", p.replace('/', "_"))).exists() { continue }
        let s = mien_audio::decode(format!("/work/shared/speech/{p}")).unwrap();
        let mut x = mien_audio::resample(&s.mono(), (s.rate as f32 * speed) as u32, 24000);
        let peak = x.iter().fold(1e-6f32, |a, b| a.max(b.abs()));
        let mut rand = || { st = st.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); (st >> 40) as f32 / 16777216.0 };
        if let Some(snr) = snr {
            // a random level and a random colour of noise
            let gain = 10f32.powf(-rand() * 1.5) * 0.9 / peak;
            let snr = snr + 25.0 * rand();
            let rms = (x.iter().map(|v| v * v).sum::<f32>() / x.len() as f32).sqrt() * 10f32.powf(-snr / 20.0) * 3f32.sqrt();
            let pole = rand() * 0.95; let norm = (1.0 - pole * pole).sqrt(); let mut y = 0.0;
            for v in &mut x { y = pole * y + norm * (rand() * 2.0 - 1.0); *v = (*v + rms * y) * gain; }
        }
        let mut t = mien_dsp::pitch::PitchTracker::new();
        let mut v = Vec::new();
        let start = std::time::Instant::now();
        x.resize(x.len() + 960, 0.0);
        for h in x.chunks_exact(240) {
            let f = t.process(h.try_into().unwrap());
            v.extend([f.f0_hz, f.voicing, f.candidate_hz]);
            if a.len() > 4 { t.dump(&mut v); }
            n += 1;
        }
        secs += start.elapsed().as_secs_f64();
        let bytes: Vec<u8> = v.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::File::create(format!("{out}/{}.f32", p.replace('/', "_"))).unwrap().write_all(&bytes).unwrap();
    }
    println!("{n} hops, {:.4} ms per hop", secs * 1e3 / n as f64);
}
