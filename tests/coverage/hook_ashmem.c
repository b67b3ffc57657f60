// SPDX-License-Identifier: GPL-2.0

#include "hook.h"
