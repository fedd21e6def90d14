//! Files that were damaged: refused with an error that blames them, or models that answer or refuse rows.

use mlops_core::ErrorKind;
use mlops_core::random::SplitMix64;
use mlops_train::Import;

use super::golden::{batch, read, rows};

/// Each file is damaged so many times.
const DAMAGES: usize = 120;

const FILES: &[&str] = &[
    "lgb_codes.txt",
    "lgb_ova.txt",
    "xgb_small.json",
    "xgb_small.ubj",
    "onnx_lgb_three.onnx",
    "onnx_skl_bernoulli_nb.onnx",
    "onnx_skl_boosting.onnx",
    "onnx_skl_k_means.onnx",
    "onnx_skl_logistic_text.onnx",
    "onnx_skl_mixed.onnx",
    "onnx_skl_mlp.onnx",
    "onnx_skl_scalers.onnx",
    "onnx_skl_svc_small.onnx",
];

fn damage(bytes: &mut Vec<u8>, rng: &mut SplitMix64) {
    const NUMBERS: [&[u8]; 8] = [
        b"-1",
        b"99999999999",
        b"1e300",
        b"nan",
        b"\xff\xff\xff\xff\x0f",
        b"\x00",
        b"\x7f\xff\xff\xff",
        b"\x80\x80\x40",
    ];
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len() as u64) as usize;
        match rng.below(6) {
            0 | 1 => bytes[at] = rng.next_u64() as u8,
            2 => bytes[at] ^= 1 << rng.below(8),
            3 => {
                let number = NUMBERS[rng.below(8) as usize];
                let end = bytes.len().min(at + number.len());
                bytes.splice(at..end, number.iter().copied());
            }
            4 => {
                let end = bytes.len().min(at + rng.below(40) as usize);
                let copied = bytes[at..end].to_vec();
                let to = rng.below(bytes.len() as u64) as usize;
                bytes.splice(to..to, copied);
            }
            _ => {
                let end = bytes.len().min(at + rng.below(20) as usize);
                bytes.drain(at..end);
            }
        }
    }
}

#[test]
fn damaged_files_are_refused_or_answer() {
    let mut rng = SplitMix64::new(5);
    let sample = rows(20, 3, true);
    for file in FILES {
        let original = read(file);
        for _ in 0..DAMAGES {
            let mut bytes = original.clone();
            damage(&mut bytes, &mut rng);
            let model = match Import::new().read(&bytes) {
                Ok(model) => model,
                Err(error) => {
                    assert_ne!(error.kind(), ErrorKind::Internal, "{file}: {error}");
                    continue;
                }
            };
            let inputs = &model.signature().inputs;
            if inputs.len() > 64 || inputs.iter().any(|input| !input.data_type.is_floating()) {
                continue;
            }
            let width = inputs.len();
            if let Err(error) = model.predict(&batch(model.as_ref(), &sample[..sample.len() / width * width])) {
                assert_ne!(error.kind(), ErrorKind::Internal, "{file}: {error}");
            }
            mlops_train::codecs().model(&model.save().unwrap()).unwrap();
        }
    }
}
