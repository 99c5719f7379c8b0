/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tandem shadow`: beside a running stack of another kind it decides what Tandem would have done,
 * and touches nothing. The loop of app/shadow_world.h: every server of the cluster file is probed
 * over the network, and so is the virtual address; advertisements are heard where that is
 * permitted.
 *
 * What it can do is what it is linked with, and that is looking: of the adapters it uses probes of
 * io/mysql, the ear of io/vrrp and the log, and no other call of theirs (tools/tidy, check
 * `shadow`). The file of --record is the only thing that it writes.
 */
#ifndef TANDEM_APP_SHADOW_H
#define TANDEM_APP_SHADOW_H

#include "wire/config.h"

/* NULL: the agent's account and password file of the cluster file; no record. */
int shadow_main(const struct cluster_config *cfg, const char *user, const char *password_file,
                const char *record);

#endif
