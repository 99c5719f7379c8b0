/* SPDX-License-Identifier: Apache-2.0 */
/* One question to this host's server for a command, which may block. Never use it in the agent. */
#ifndef TANDEM_APP_SERVER_ASK_H
#define TANDEM_APP_SERVER_ASK_H

#include <stdbool.h>

#include "wire/config.h"

/* True if the server says that it is read_only and that no session waits for the acknowledgement of
 * a standby. False also if it does not answer within some seconds: then nothing is known. */
bool server_ask_is_closed(const struct config_node *n);

#endif
