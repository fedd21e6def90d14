#![no_main]
mlops_fuzz::program!("component");
