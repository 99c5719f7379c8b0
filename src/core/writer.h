/* SPDX-License-Identifier: Apache-2.0 */
/* The steady phase: this node leads and is the open writer; table `writer` decides what comes next.
 */
#ifndef TANDEM_CORE_WRITER_H
#define TANDEM_CORE_WRITER_H

struct core;

void writer_run(struct core *core);

#endif
