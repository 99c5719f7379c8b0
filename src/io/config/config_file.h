/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a cluster file into struct cluster_config: syntax, the range of each option, and the rules
 * between them. Everything that is wrong is collected in `errors`, with its line. The timing of the
 * arbiter is not judged here (core/arbiter knows it), nor are files that the cluster file names
 * read or required; config_check_local() looks at those of one node.
 *
 * Blocking file access: for start-up and commands.
 */
#ifndef TANDEM_IO_CONFIG_CONFIG_FILE_H
#define TANDEM_IO_CONFIG_CONFIG_FILE_H

#include <stddef.h>

#include "io/config/config_errors.h"
#include "wire/config.h"

#define CONFIG_FILE_MAX (256 * 1024)

/* `errors` is begun anew. 0: *ret is complete; there may be warnings. ERR_FORMAT: the file is
 * wrong, see errors. ERR_NOTFOUND, ERR_PERM, ERR_IO, ERR_NOMEM: it could not be read, told in
 * errors as well. */
int config_load(const char *path, struct cluster_config *ret,
                struct config_errors *errors) NODISCARD;
/* The same from memory; the text need not end with a NUL. */
int config_parse(const char *text, size_t length, struct cluster_config *ret,
                 struct config_errors *errors) NODISCARD;

/* Adds warnings about what the file leaves open and the agents would pay for (a node without an
 * error log), and, unless node is NODE_NONE, about the files that the agent of `node` will use on
 * this host: missing, or readable by others. */
void config_check_local(const struct cluster_config *c, unsigned node,
                        struct config_errors *errors);

/* The cluster as a file that reads back to the same value and digest: every option, in a fixed
 * order, without comments. */
void config_write(const struct cluster_config *c, FILE *out);
/* Digest of what config_write() writes; what config_parse() puts into c->digest. */
int config_digest(const struct cluster_config *c, uint64_t *ret_digest) NODISCARD;

#endif
