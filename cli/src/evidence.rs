//! Evidence at the terminal: answers of AWS, live or from a folder where they were recorded, as the core's types.
//!
//! There is one way to read an answer ([`Readers`]), whoever gives it: AWS itself, a [`Folder`], or a [`Recorder`] that asks AWS and writes down
//! what it says. So a folder gives what AWS gave when it was collected.

mod access;
mod folder;
mod once;
mod read;
mod readers;
mod recorder;
mod topology;
mod trail;

pub(crate) use folder::Folder;
pub(crate) use once::Once;
pub(crate) use readers::Readers;
pub(crate) use recorder::{Collected, Recorder};
pub(crate) use topology::Plans;
pub(crate) use trail::NoStore;
