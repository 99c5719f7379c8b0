/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords, which come from files and from nowhere else: a command line is seen by everybody. */
#ifndef TANDEM_IO_CONFIG_SECRET_H
#define TANDEM_IO_CONFIG_SECRET_H

#include <stddef.h>

#include "util/err.h"

/* The first line of the file, without its end; "" for the path "". The caller wipes it. ERR_IO:
 * cannot be read; ERR_RANGE: the line does not fit. */
int secret_read(const char *path, char *ret_text, size_t size, struct errmsg *m) NODISCARD;

#endif
