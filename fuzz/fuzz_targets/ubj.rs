#![no_main]
mlops_fuzz::program!("ubj");
