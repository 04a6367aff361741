use super::RuleBroken;
use crate::{Reason, Refusal};

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LabError {
    #[error("These rules cannot be kept: {0}.")]
    InvalidRules(&'static str),
    #[error(transparent)]
    Broken(#[from] RuleBroken),
}

impl Refusal for LabError {
    fn reason(&self) -> Reason {
        match self {
            Self::InvalidRules(_) => Reason::Invalid,
            Self::Broken(broken) => broken.reason(),
        }
    }

    fn detail(&self) -> String {
        self.to_string()
    }
}
