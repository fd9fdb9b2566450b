//! The events a hook can ask for, and what the wire lets it do about them.

use std::fmt;
use std::time::Duration;

use crate::config::Config;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Something that happened on the wire and that hooks may answer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum HookEvent { $($(#[$doc])* $name,)* }

        impl HookEvent {
            /// Every event.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in settings files and in `hook_event_name`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

events! {
    /// A session id was seen for the first time.
    SessionStart,
    /// The user sent a new prompt.
    UserPromptSubmit,
    /// The answer holds a tool call that the client has not seen yet.
    PreToolUse,
    /// A tool's output is on its way to the model.
    PostToolUse,
    /// The output of a tool that failed is on its way to the model.
    PostToolUseFailure,
    /// All outputs of one step are on their way to the model.
    PostToolBatch,
    /// The model finished without calling a tool.
    Stop,
    /// The answer failed or was cut.
    StopFailure,
    /// The client asks for its history to be compacted.
    PreCompact,
    /// The compacted history arrived.
    PostCompact,
    /// A sub-agent's first request.
    SubagentStart,
    /// A sub-agent finished.
    SubagentStop,
    /// The proxy shuts down, or the session was idle for long.
    SessionEnd,
}

/// What a matcher is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The tool's name.
    ToolName,
    /// How the session began.
    Source,
    /// What asked for the compaction.
    Trigger,
    /// The sub-agent's kind.
    AgentType,
    /// Why the session ended.
    Reason,
    /// The kind of failure.
    Error,
    /// Nothing: every matcher matches.
    Nothing,
}

/// What a hook's result can bring about, as far as the wire allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "a table of independent yes and no"
)]
pub struct Effects {
    /// Keep the thing from happening.
    pub block: bool,
    /// A block comes too late, but its reason is told to the model as context.
    pub feedback: bool,
    /// Add context for the model.
    pub context: bool,
    /// Allow, deny or change a tool call.
    pub permission: bool,
    /// Replace a tool's output before the model sees it.
    pub update_output: bool,
}

impl HookEvent {
    /// The event of a name, spelled exactly.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event| event.name() == name)
    }

    /// How long a hook may take that sets no timeout (600 s, `UserPromptSubmit` 30 s, unless
    /// configured otherwise).
    pub fn default_timeout(self, config: &Config) -> Duration {
        match self {
            Self::UserPromptSubmit => config.prompt_timeout.get(),
            _ => config.timeout.get(),
        }
    }

    /// What its matchers are compared with.
    pub fn subject(self) -> Subject {
        match self {
            Self::PreToolUse | Self::PostToolUse | Self::PostToolUseFailure => Subject::ToolName,
            Self::SessionStart => Subject::Source,
            Self::PreCompact | Self::PostCompact => Subject::Trigger,
            Self::SubagentStart | Self::SubagentStop => Subject::AgentType,
            Self::SessionEnd => Subject::Reason,
            Self::StopFailure => Subject::Error,
            Self::UserPromptSubmit | Self::PostToolBatch | Self::Stop => Subject::Nothing,
        }
    }

    /// What its hooks can bring about.
    pub fn effects(self) -> Effects {
        let none = Effects::default();
        match self {
            Self::SessionStart => Effects {
                context: true,
                ..none
            },
            Self::UserPromptSubmit => Effects {
                block: true,
                context: true,
                ..none
            },
            Self::PreToolUse => Effects {
                block: true,
                permission: true,
                ..none
            },
            Self::PostToolUse | Self::PostToolUseFailure => Effects {
                feedback: true,
                context: true,
                update_output: true,
                ..none
            },
            Self::PostToolBatch => Effects {
                feedback: true,
                context: true,
                ..none
            },
            Self::Stop | Self::PreCompact => Effects {
                block: true,
                ..none
            },
            Self::StopFailure
            | Self::PostCompact
            | Self::SubagentStart
            | Self::SubagentStop
            | Self::SessionEnd => none,
        }
    }

    /// Whether plain text on standard output is context for the model.
    pub fn takes_plain_text(self) -> bool {
        matches!(self, Self::SessionStart | Self::UserPromptSubmit)
    }
}

impl fmt::Display for HookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
