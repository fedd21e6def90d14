//! Support vector machines.

mod coupling;
mod kernel;
mod model;
mod smo;
mod svc;
mod svr;

pub use kernel::Kernel;
pub use svc::{Svc, SvcModel};
pub use svr::{Svr, SvrModel};
