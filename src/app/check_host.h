/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of `tandem check` that only a process on the host can do: files, ports, kernel, and the
 * local server with the agent's own account. Needs no agent. Reads only; blocks for some seconds at
 * most if the server does not answer.
 */
#ifndef TANDEM_APP_CHECK_HOST_H
#define TANDEM_APP_CHECK_HOST_H

#include <jansson.h>

#include "wire/config.h"

/* What is known of `node`, this host, as check_json(); path: of the cluster file. agent_runs: its
 * ports are taken by itself, and the kernel has its tables. NULL when out of memory. */
json_t *check_host(const struct cluster_config *c, unsigned node, const char *path,
                   bool agent_runs);

#endif
