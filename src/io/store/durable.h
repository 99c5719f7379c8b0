/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small file that is there as a whole: a reader sees the old or the new content, whatever the
 * power does. Blocking; the writer waits for the disk.
 */
#ifndef TANDEM_IO_STORE_DURABLE_H
#define TANDEM_IO_STORE_DURABLE_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define DURABLE_PATH_MAX 512

/* At most `size` bytes from its beginning. ERR_NOTFOUND, ERR_PERM, ERR_IO. */
int durable_read(const char *path, uint8_t *buf, size_t size, size_t *ret_used,
                 struct errmsg *m) NODISCARD;
/* PATH.new, fsync, rename, fsync of the directory; mode 0600. ERR_RANGE (path too long), ERR_IO,
 * ERR_NOSPC, ERR_PERM. */
int durable_write(const char *path, const uint8_t *buf, size_t size, struct errmsg *m) NODISCARD;

#endif
