//! Evidence at the terminal: answers of AWS, live or from a folder where they were recorded, as the core's types.
//!
//! A [`Folder`] gives what AWS gave when it was collected; a [`Recorder`] asks AWS and writes down what it says.

mod folder;
mod recorder;
mod trail;

pub(crate) use folder::{Folder, Looked};
pub(crate) use guardian_aws::readers::{Once, Plans, Readers};
pub(crate) use recorder::{Collected, Recorder};
pub(crate) use trail::NoStore;
