/* SPDX-License-Identifier: Apache-2.0 */
#include "util/version.h"

const char *tandem_version(void)
{
    return TANDEM_VERSION;
}
