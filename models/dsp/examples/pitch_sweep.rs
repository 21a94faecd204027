//! dev
fn f32s(p: &str) -> Option<Vec<f32>> { Some(std::fs::read(p).ok()?.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()) }
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let mut clips = vec![];
    for p in std::fs::read_to_string(format!("/work/cache/pitch/{}.txt", a[1])).unwrap().lines() {
        let u = p.replace('/', "_");
        let Some(r) = f32s(&format!("/work/cache/pitch/rr/{u}.ref")) else { continue };
        let raw = format!("/work/cache/pitch/rr/{u}.raw");
        let x = f32s(&raw).unwrap_or_else(|| {
            let s = mien_audio::decode(format!("/work/shared/speech/{p}")).unwrap();
            let mut x = mien_audio::resample(&s.mono(), s.rate, 24000);
            x.resize(x.len() + 960, 0.0);
            std::fs::write(&raw, x.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
            x
        });
        clips.push((x, r, p.contains("ravdess") || p.contains("emotion")));
    }
    let base: Vec<f32> = mien_dsp::pitch::DEFAULTS.to_vec();
    let run = |params: &[f32], label: &str| {
        mien_dsp::pitch::set_params(params);
        let mut c = [[0usize; 9]; 2];
        for (x, r, emo) in &clips {
            let c = &mut c[*emo as usize];
            let mut t = mien_dsp::pitch::PitchTracker::new();
            for (n, h) in x.chunks_exact(240).enumerate() {
                let f = t.process(h.try_into().unwrap());
                if n < 2 || (n - 2) * 2 >= r.len() { continue }
                let (rf, sp) = (r[(n - 2) * 2], r[(n - 2) * 2 + 1]);
                c[8] += 1;
                if (rf > 0.0) != (f.f0_hz > 0.0) { c[7] += 1 }
                if rf > 0.0 {
                    let q = f.candidate_hz / rf;
                    let g = (q - 1.0).abs() > 0.2; let o = (q.max(1e-3).log2().abs() - 1.0).abs() < 0.26;
                    c[0] += 1; c[1] += g as usize; c[2] += o as usize;
                    if sp < 1.2 { c[3] += 1; c[4] += g as usize; c[5] += o as usize; }
                    if f.f0_hz > 0.0 { c[6] += g as usize; }
                }
            }
        }
        let pc = |a: usize, b: usize| 100.0 * a as f32 / b.max(1) as f32;
        print!("{label:24}");
        for c in c { print!(" | cand gross {:.2} oct {:.2}, agreed gross {:.2} oct {:.2} ({}), both-gross {:.2}, voicing {:.2}", pc(c[1], c[0]), pc(c[2], c[0]), pc(c[4], c[3]), pc(c[5], c[3]), c[3], pc(c[6], c[0]), pc(c[7], c[8])); }
        println!();
    };
    run(&base, "base");
    for arg in &a[2..] {
        // i=v or i=v,j=w
        let mut p = base.clone();
        for kv in arg.split(',') { let (k, v) = kv.split_once('=').unwrap(); p[k.parse::<usize>().unwrap()] = v.parse().unwrap(); }
        run(&p, arg);
    }
}
