package tidy

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

// looks are the calls of the Redis client that change nothing. Whatever else is called on it acts
// outside of the process, and must go through internal/effect.
var looks = []string{
	"ConfigGet", "Exists", "Get", "HExists", "HGet", "HGetAll", "HLen", "HMGet", "HVals", "Info",
	"LLen", "LRange", "MemoryUsage", "Ping", "SCard", "SMembers", "Time", "TTL", "Wait", "XInfoGroups",
	"XInfoStream", "XLen", "XPending", "XPendingExt", "XRange", "XRangeN", "XRevRangeN", "ZCard",
	"ZRange", "ZRangeByScore", "ZRangeByScoreWithScores", "ZRangeWithScores", "ZRevRange",
	"ZRevRangeWithScores", "ZScore",
}

// connecting are the calls that make, hand on or end a connection, or gather commands: what is done
// with it is looked at where it is done.
var connecting = []string{
	"Options", "Close", "Conn", "MasterForKey", "Pipeline", "TxPipeline", "Watch",
}

// repeatable are calls that change something and need no crash point, and why not.
var repeatable = map[string]string{
	"XGroupCreateMkStream": "the group is there or it is not, and whoever needs it makes it first",
}

// outside are the calls that act outside of the process, by the folder that makes them. A function
// of that name may make them: its callers are looked at instead.
var outside = map[string][]string{
	"internal/providers": {"RoundTrip", "submit"},
	"internal/tasks":     {"Enqueue", "EnqueueContext", "RunTask", "DeleteTask"},
}

// effects keeps every effect outside of the process within effect.Do, where the
// crash points are: in internal/state every call of Redis that is no look, in internal/providers
// the requests, in internal/tasks the triggers.
func effects(f file) []finding {
	set, syntax := parse(f)
	folder := path.Dir(f.path)
	if syntax == nil || f.isTest() {
		return nil
	}
	var found []finding
	report := func(at token.Pos, call string) {
		found = append(found, finding{
			set.Position(at).Line,
			call + " acts outside of the process: run it in effect.Do, where a test can end the process",
		})
	}
	for _, declaration := range syntax.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Body == nil || slices.Contains(outside[folder], function.Name.Name) {
			continue
		}
		inspectOutside(function.Body, func(call *ast.CallExpr, name string, on ast.Expr) {
			acts := slices.Contains(outside[folder], name)
			if folder == "internal/state" {
				acts = acts || actsOnRedis(function.Body, name, on) || givesAway(call)
			}
			if acts {
				report(call.Pos(), name)
			}
		})
	}
	return found
}

// inspectOutside calls look for every method call that is not within a function given to effect.Do.
func inspectOutside(body ast.Node, look func(call *ast.CallExpr, name string, on ast.Expr)) {
	ast.Inspect(body, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if text(selector) == "effect.Do" {
			return false
		}
		look(call, selector.Sel.Name, selector.X)
		return true
	})
}

// actsOnRedis reports whether a call on something is one of Redis that may change it: on the
// client of the store, on a connection or node, or on a pipeline that holds more than looks.
func actsOnRedis(body ast.Node, name string, on ast.Expr) bool {
	if _, exempt := repeatable[name]; exempt || slices.Contains(connecting, name) ||
		slices.Contains(looks, name) {
		return false
	}
	of := text(on)
	if name == "Exec" {
		return pipelineActs(body, of)
	}
	if isPipeline(body, of) {
		return false // It is only gathered: Exec is what acts.
	}
	return slices.Contains([]string{"s.client", "client", "cluster", "node", "conn"}, of)
}

// givesAway reports whether the client of the store is handed to anything but the two functions
// that run scripts.
func givesAway(call *ast.CallExpr) bool {
	runs := slices.Contains([]string{"s.run", "s.rounds"}, text(call.Fun))
	return !runs && slices.ContainsFunc(call.Args, func(argument ast.Expr) bool {
		return text(argument) == "s.client"
	})
}

// isPipeline reports whether a variable of the function is a pipeline.
func isPipeline(body ast.Node, name string) bool {
	found := false
	ast.Inspect(body, func(node ast.Node) bool {
		assign, ok := node.(*ast.AssignStmt)
		if ok && len(assign.Lhs) == 1 && len(assign.Rhs) == 1 && text(assign.Lhs[0]) == name {
			call, isCall := assign.Rhs[0].(*ast.CallExpr)
			found = found || isCall && strings.HasSuffix(text(call.Fun), "Pipeline")
		}
		return !found
	})
	return found
}

// pipelineActs reports whether something that may change Redis is gathered in a pipeline.
func pipelineActs(body ast.Node, name string) bool {
	acts := false
	ast.Inspect(body, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if ok && text(selector.X) == name && selector.Sel.Name != "Exec" {
			acts = acts || !slices.Contains(looks, selector.Sel.Name)
		}
		return true
	})
	return acts
}

// text writes a chain of names as it stands in the source; anything else is "".
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if before := text(e.X); before != "" {
			return before + "." + e.Sel.Name
		}
	}
	return ""
}
