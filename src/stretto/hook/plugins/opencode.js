// Reports opencode's work to Stretto: names, ids, sizes, times and outcomes, never a prompt or an output.
// `stretto hooks install --agent opencode` lays this file down; `… uninstall …` removes it.
import { spawn, spawnSync } from "node:child_process"

const COMMAND = __COMMAND__
const LONGEST = 20000 // characters of a result that are looked at for test counts
const MOST = 10000 // sessions, calls and messages that are remembered

function send(payload, wait = false) {
  const text = JSON.stringify({ timestamp: Date.now(), ...payload })
  try {
    if (wait) {
      // opencode may end right after this event, and would take the reporter with it.
      spawnSync(COMMAND[0], COMMAND.slice(1), { input: text, stdio: ["pipe", "ignore", "ignore"], timeout: 2000 })
      return
    }
    const child = spawn(COMMAND[0], COMMAND.slice(1), { stdio: ["pipe", "ignore", "ignore"] })
    child.on("error", () => {})
    child.stdin.on("error", () => {})
    child.stdin.end(text)
    child.unref()
  } catch {
    // Nothing that fails here may disturb the agent.
  }
}

function remember(table, key, value) {
  table.set(key, value)
  if (table.size > MOST) table.delete(table.keys().next().value)
}

export const Stretto = async ({ directory }) => {
  const parents = new Map() // child session → parent session
  const begun = new Map() // call → whether its start was sent
  const prompts = new Map() // root session → message of its last prompt
  const opened = new Map() // root session → whether its start was sent

  const place = (session) => {
    let root = session
    for (let level = 0; level < 20 && parents.get(root); level += 1) root = parents.get(root)
    return { session_id: root, cwd: directory, agent_id: root === session ? undefined : session }
  }
  const open = (root) => {
    if (opened.get(root)) return
    remember(opened, root, true)
    send({ hook_event_name: "SessionStart", session_id: root, cwd: directory })
  }

  const onSession = (info) => {
    if (!info.parentID) return open(info.id)
    remember(parents, info.id, info.parentID)
    const parent = place(info.parentID).agent_id
    send({
      ...place(info.id),
      hook_event_name: "SubagentStart",
      agent_type: info.agent,
      parent_agent_id: parent,
      timestamp: info.time?.created,
    })
  }
  const onMessage = (info) => {
    const where = place(info.sessionID)
    if (info.role !== "user" || where.agent_id || prompts.get(where.session_id) === info.id) return
    open(where.session_id)
    remember(prompts, where.session_id, info.id)
    send({
      ...where,
      hook_event_name: "UserPromptSubmit",
      prompt_id: info.id,
      prompt: "",
      timestamp: info.time?.created,
    })
  }
  const onTool = (part) => {
    const state = part.state ?? {}
    const isTask = part.tool === "task"
    const call = {
      ...place(part.sessionID),
      tool_use_id: part.callID,
      tool_name: isTask ? "Agent" : part.tool,
      tool_input: state.input,
    }
    if (state.status !== "pending" && !begun.get(part.callID)) {
      remember(begun, part.callID, true)
      send({ ...call, hook_event_name: "PreToolUse", timestamp: state.time?.start })
    }
    if (state.status !== "completed" && state.status !== "error") return
    const code = state.metadata?.exit
    const agent = isTask ? state.metadata?.sessionId : undefined
    send({
      ...call,
      hook_event_name: state.status === "error" || code ? "PostToolUseFailure" : "PostToolUse",
      duration_ms: state.time?.end - state.time?.start,
      tool_response: agent ? { agentId: agent, status: "completed" } : String(state.output ?? "").slice(-LONGEST),
      error: code ? `Exit code ${code}` : undefined,
      is_interrupt: String(state.error ?? "").startsWith("Tool execution aborted"),
      timestamp: state.time?.end,
    })
  }
  const onIdle = (session) => {
    const where = place(session)
    if (where.agent_id) send({ ...where, hook_event_name: "SubagentStop" })
    else send({ ...where, hook_event_name: "Stop", prompt_id: prompts.get(session) }, true)
  }

  return {
    event: async ({ event }) => {
      try {
        const values = event.properties ?? {}
        if (event.type === "session.created") onSession(values.info)
        else if (event.type === "message.updated") onMessage(values.info)
        else if (event.type === "message.part.updated" && values.part?.type === "tool") onTool(values.part)
        else if (event.type === "session.idle") onIdle(values.sessionID)
        else if (event.type === "session.compacted")
          send({ ...place(values.sessionID), hook_event_name: "PostCompact" })
      } catch {
        // As above.
      }
    },
  }
}
