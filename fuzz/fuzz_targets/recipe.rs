#![no_main]
mlops_fuzz::program!("recipe");
