/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands' side of io/control: one request to the agent of this host, one reply. Blocks, with
 * a deadline; never use it in the agent.
 */
#ifndef TANDEM_IO_CONTROL_CONTROL_CLIENT_H
#define TANDEM_IO_CONTROL_CONTROL_CLIENT_H

#include <stdint.h>

#include <jansson.h>

#include "util/err.h"

#define CONTROL_REPLY_MAX (4u << 20)

/*
 * ERR_NOTFOUND or ERR_REFUSED (no agent), ERR_PERM (not root), ERR_TIMEOUT (it hangs), ERR_IO (it
 * went away), ERR_FORMAT; the message says what to do. The caller owns *ret_reply, an object.
 */
int control_client_ask(const char *run_dir, const json_t *request, int64_t timeout_ms,
                       struct errmsg *msg, json_t **ret_reply) NODISCARD;

#endif
