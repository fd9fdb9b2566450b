//! How the servers and proxies of others are set up, so that they do no more and no less than carry.

use std::net::SocketAddr;
use std::path::Path;

use crate::process;

use super::{Ground, path, write};

/// Without the first it fetches a price list before it serves; without the second it refuses to
/// serve without a key of its own, loopback or not.
pub(super) const LITELLM: [(&str, &str); 2] = [
    ("LITELLM_LOCAL_MODEL_COST_MAP", "True"),
    (
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY",
        "true",
    ),
];

/// What a server may open: enough for the streams of the largest row, where that is allowed.
fn descriptors() -> u64 {
    process::descriptor_limit().min(24_000)
}

impl Ground {
    pub(super) fn nginx(&self, folder: &Path, address: SocketAddr) -> anyhow::Result<String> {
        let (folder_name, upstream) = (path(folder)?, self.upstream);
        let (open, connections) = (descriptors(), descriptors() - 500);
        let config = format!(
            "daemon off; worker_processes auto; worker_rlimit_nofile {open}; pid {folder_name}/nginx.pid; error_log {folder_name}/error.log;
events {{ worker_connections {connections}; }}
http {{
  access_log off; client_max_body_size 0; client_body_buffer_size 16m; keepalive_requests 1000000000;
  client_body_temp_path {folder_name}/body; proxy_temp_path {folder_name}/proxy; fastcgi_temp_path {folder_name}/f; uwsgi_temp_path {folder_name}/u; scgi_temp_path {folder_name}/s;
  map $http_upgrade $onward {{ default upgrade; '' ''; }}
  upstream provider {{ server {upstream}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen {address} backlog=16384;
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $onward;
      proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 600s; tcp_nodelay on;
    }}
  }}
}}
"
        );
        write(&folder.join("nginx.conf"), &config)
    }

    pub(super) fn haproxy(&self, folder: &Path, address: SocketAddr) -> anyhow::Result<String> {
        let upstream = self.upstream;
        let open = descriptors();
        // Each connection has one to the upstream, and the program some of its own.
        let connections = open / 2 - 50;
        // Without http-no-delay events wait for each other.
        let config = format!(
            "global
  nbthread 2
  maxconn {connections}
  ulimit-n {open}
defaults
  mode http
  option http-no-delay
  timeout connect 10s
  timeout client 600s
  timeout server 600s
  timeout tunnel 600s
frontend front
  bind {address} backlog 16384
  default_backend provider
backend provider
  http-reuse always
  server stub {upstream} pool-max-conn 200
"
        );
        write(&folder.join("haproxy.cfg"), &config)
    }

    /// A gateway that reads and writes every request as objects; nothing else is switched on.
    pub(super) fn litellm(&self, folder: &Path) -> anyhow::Result<String> {
        let upstream = self.upstream;
        let config = format!(
            "model_list:
  - model_name: gpt-5.5
    litellm_params: {{ model: openai/gpt-5.5, api_base: 'http://{upstream}', api_key: bench }}
litellm_settings: {{ drop_params: true, telemetry: false }}
"
        );
        write(&folder.join("litellm.yaml"), &config)
    }
}
