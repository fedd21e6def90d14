#![no_main]
mlops_fuzz::program!("xgboost_json");
