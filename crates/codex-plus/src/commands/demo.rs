//! demo
use crate::output::Exit;
pub(crate) fn demo() -> anyhow::Result<Exit> {
    Ok(Exit::Success)
}
