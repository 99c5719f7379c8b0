/* SPDX-License-Identifier: Apache-2.0 */
/* The shell script that puts a node's files where the cluster file says, and the drop-in of
 * mysqld's unit. */
#ifndef TANDEM_IO_CONFIG_INSTALL_TEXT_H
#define TANDEM_IO_CONFIG_INSTALL_TEXT_H

#include <stdio.h>

#include "io/config/server_text.h"
#include "wire/config.h"

void install_text_write(const struct cluster_config *c, unsigned node, enum server_flavour flavour,
                        FILE *out);
/* packaging/mysqld-tandem.conf, made a C text by the build. */
extern const char install_text_unit[];

#endif
