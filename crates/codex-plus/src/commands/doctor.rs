//! doctor
use crate::{cli::DoctorArgs, environment::Environment, output::Exit};
pub(crate) fn doctor(_: &Environment, _: &DoctorArgs) -> anyhow::Result<Exit> {
    Ok(Exit::Success)
}
